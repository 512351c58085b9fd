"""From public corpora to manifests and batches; run from a clone: `python -m data_pipelines.esc50 ROOT`."""
