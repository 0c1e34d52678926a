"""The page and the service: ``semwave serve``.

    browser, programs -> guards -> app, live -> worker: one thread -> studio: model, photographs in memory

FastAPI and uvicorn are the extra ``semwave[web]``; nothing else of semwave imports this package.
"""
