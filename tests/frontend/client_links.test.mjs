import assert from "node:assert/strict";
import test from "node:test";

import { followClientLink, pageOf } from "../../static/site/client_links.js";

const RUN = "0123456789abcdef0123456789abcdef";

test("every address that a client prints has its page", () => {
  assert.equal(pageOf(`#/experiments/7/runs/${RUN}`), `/runs/${RUN}/`);
  assert.equal(pageOf(`#/experiments/7/runs/${RUN}/artifacts?x=1`), `/runs/${RUN}/`);
  assert.equal(pageOf("#/experiments/0"), "/experiments/0/");
  assert.equal(pageOf("#/experiments/7?searchFilter=a"), "/experiments/7/");
  assert.equal(pageOf("#/models/iris%20two/versions/3"), "/models/iris%20two/versions/3/");
  assert.equal(pageOf("#/models/iris"), "/models/iris/");
  assert.equal(pageOf("#/models"), "/models/");
});

test("other fragments stay what they are", () => {
  for (const hash of ["", "#main", "#/nowhere", "#/experiments/x", "#//evil.example/runs/1", "#/models//x"]) {
    assert.equal(pageOf(hash), null, hash);
  }
});

test("the home page goes there at once, the sign-in page afterwards, others never", () => {
  const gone = [];
  const place = (pathname) => ({ hash: "#/experiments/7", pathname, replace: (to) => gone.push(to) });
  followClientLink(place("/"), { querySelector: () => null });
  assert.deepEqual(gone, ["/experiments/7/"]);
  followClientLink(place("/datasets/"), { querySelector: () => null });
  assert.deepEqual(gone, ["/experiments/7/"]);
  const next = { value: "/" };
  followClientLink(place("/sign-in/"), { querySelector: () => next });
  assert.equal(next.value, "/experiments/7/");
  assert.deepEqual(gone, ["/experiments/7/"]);
});
