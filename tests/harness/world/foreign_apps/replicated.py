"""The zoo's aggregator on a shared store as a process of its own; several may run on one DATA_DIR."""

import os

import uvicorn

from fanin.aggregator.http.app import create_app
from fanin.aggregator.settings import Settings
from fanin.harness.mutants.replicas import SharedStoreEngine

if __name__ == "__main__":
    app = create_app(Settings.from_environment(os.environ), engine=SharedStoreEngine)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
