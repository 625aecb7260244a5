"""What is served over HTTP: `page/`, which only reads. The one home of Starlette and Uvicorn."""
