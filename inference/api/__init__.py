"""The door for programs: ``/v1``, in the words of OpenAI's clients.

``route`` finds the endpoint · ``exchange`` is one HTTP request · ``door`` authenticates · ``limits`` counts ·
``schemas`` says what may be asked · ``calls`` reserves and settles · ``completions`` (``wanted``, ``writing``) and
``embeddings`` answer · ``errors`` refuse.

It stands beside Django's handler, shares its engine, models and settings, and none of the website's middleware.
"""
