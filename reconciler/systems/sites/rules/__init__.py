"""How a site answers a request, said once: read from `_redirects`, `_headers` and fields, turned into an nginx
configuration (nginx.py) and into a function (answer.py). Pure, standard library only; the same cases test both.
"""
