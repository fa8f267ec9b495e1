"""Real servers for tests and benchmarks: each on a free loopback port, in a folder of its own, ended by pid.

Every module offers a context manager that needs no pytest:

    with mosquitto.serve() as broker: ...          broker.host, broker.port, broker.url
    with postgres.serve() as server: ...           server.url(), with server.fresh_database() as url: ...
    with victoria.serve() as store: ...            store.url, store.flush()
    async with chromium.launch() as browser: ...   a Playwright browser
"""
