"""A report of a result: one page of HTML that needs no other file. `pictures` draws, `words` explains, `page` joins."""
