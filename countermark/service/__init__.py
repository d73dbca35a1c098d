"""The HTTP service: one server that clients of the OpenAI Videos API already speak to, and a page for people.

A *server* process answers requests and never generates or examines anything itself; *worker* processes do, one durable
job at a time each, and any number of them on any number of machines share one database. See ``docs/service.md``.
"""
