// Addresses that MLflow clients print (`/#/experiments/7/runs/<id>`) lead to our pages.

const PAGES = [
  [/^#\/experiments\/\d+\/runs\/([0-9a-f]{32})(?:\/.*)?$/, (run) => `/runs/${run}/`],
  [/^#\/experiments\/(\d+)(?:\/.*)?$/, (experiment) => `/experiments/${experiment}/`],
  [/^#\/models\/([^/]+)\/versions\/(\d+)(?:\/.*)?$/, (model, version) => `/models/${model}/versions/${version}/`],
  [/^#\/models\/([^/]+)(?:\/.*)?$/, (model) => `/models/${model}/`],
  [/^#\/(experiments|models)\/?$/, (list) => `/${list}/`],
];

/** Path of our page for the fragment of a client's link without its query, or null. */
export function pageOf(hash) {
  const plain = hash.split("?")[0];
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(plain);
    if (found) return page(...found.slice(1));
  }
  return null;
}

/** Go there; somebody who must sign in first goes there afterwards. */
export function followClientLink(place = window.location, root = document) {
  const page = pageOf(place.hash);
  if (page === null) return;
  const next = root.querySelector("input[data-sign-in-next]");
  if (next) next.value = page;
  else if (place.pathname === "/") place.replace(page);
}
