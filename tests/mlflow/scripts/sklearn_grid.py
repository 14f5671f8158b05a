"""Autologging of a grid search of scikit-learn."""

import mlflow
from checks import answer, unique
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

experiment = mlflow.set_experiment(unique("grid"))
mlflow.sklearn.autolog(max_tuning_runs=None)
features, target = load_iris(return_X_y=True, as_frame=True)
search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [0.01, 0.1, 1, 10]}, cv=3)
with mlflow.start_run(run_name="grid") as parent:
    search.fit(features, target)
    search.score(features, target)
client = MlflowClient()
children = client.search_runs(
    [experiment.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
)
assert {child.data.params["C"] for child in children} == {"0.01", "0.1", "1", "10"}
got = client.get_run(parent.info.run_id)
assert got.data.params["best_C"] == str(search.best_params_["C"])
assert abs(got.data.metrics["best_cv_score"] - search.best_score_) < 1e-12
assert got.inputs.dataset_inputs, "the training data was not logged"
assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"cv_results.csv"}
loaded = mlflow.sklearn.load_model(f"runs:/{parent.info.run_id}/best_estimator")
assert (loaded.predict(features) == search.best_estimator_.predict(features)).all()
answer(run=parent.info.run_id, children=len(children))
