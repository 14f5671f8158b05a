"""The introduction of the API's description: what every script needs before its first call."""

API_DESCRIPTION = """
Everything the pages can do: datasets, training, live events, models.

## Signing in
`POST /api/v1/auth/token/` with `{"username", "password"}` answers `{"token"}`. Send it with every
call as `Authorization: Bearer <token>`; tokens for programs are made under *Account, Tokens*.

## Refusals
Every refusal is JSON: `{"error_code", "message", "details", "request_id"}`. 400: a field is wrong,
`details` names it. 401: no or no valid token. 403: your role is too small. 404: there is no such
thing, or it is not yours. 409: the state does not allow it, `message` says why. 413 and 415: too
large, or of the wrong type. 422: the content of a file or of rows does not fit, `details` names
columns. 429 and 503: later again, see `Retry-After`.

## From a file to a model
1. `POST /datasets/` (multipart `file`, `name`): 201 `{id, version, status}`. Ask
   `GET /datasets/{id}/` until `status` is `ready` or `failed` (then `error` says why).
2. `POST /ml-platform/training-jobs/` `{dataset, target, model_type, ...}`: 202 `{id, run, status}`.
   Statuses: queued, running, pausing, paused, stopping, stopped, completed, failed, lost.
3. `POST /ml-platform/training-jobs/{id}/control/` `{"action": "pause"}` (or resume, stop, retry).
4. `GET .../result/`: `{metrics: {accuracy: {value, low, high, baseline}, ...}, confusion_matrix,
   roc_curve, pr_curve, calibration, feature_importance, ...}`; for numbers `residuals`.
   A stopped training gets its report a moment later; until then the answer is 409.
5. `GET .../predictions/?limit=&offset=`: `{count, results: [{row, prediction, confidence,
   probabilities, actual, reasons: [{feature, value, contribution, text}]}]}`.
6. `POST /ml-platform/models/` `{name, run}`, or `register_as` in step 2. `GET /ml-platform/models/`:
   `{results: [{name, versions: [{version, run, dataset, dataset_version, metrics, ...}]}]}`.
7. `POST /ml-platform/models/{name}/versions/{n}/predict/` `{"rows": [{"column": value}]}`: up to
   1,000 rows at once; or multipart `file`: 202, then `GET /ml-platform/predictions/{id}/`.

## Live
Every event has a number: `{seq, kind, data, at}`, numbered from 1 without a gap in each topic
(`run:<run>`, `dataset:<id>`, `project:<id>`). Values are absolute, so that missing one does no harm.

* Polling: `GET .../training-jobs/{id}/events/?after=n` answers `{events, next}`; ask again with
  `after=next`.
* Server-sent events: `GET .../training-jobs/{id}/stream/`; named events `events`
  (`{topic, from, to, events}`) and `heartbeat`; `Last-Event-ID` goes on where it ended.
* WebSocket `/ws/`: send `{"subscribe": "run:<run>", "after": n}`, receive `{topic, events}`; also
  `{"unsubscribe": topic}` and `{"ping": x}`. A session cookie signs in, or a token: as the
  sub-protocol `assay.token.<token>` (or the token alone), or in the first message
  `{"token": "<token>"}`; never in the address. Close codes: 4401, 4403, 4404 refused, 4408 too slow,
  4410 too old, 1012 restart.
"""
