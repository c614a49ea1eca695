"""The staff pages under `/staff`: who may sign in, what each role may see and do, and a trail of all of it.

Read in this order: `roles` (who may what), `page` (how a page is declared and guarded), `sessions` and `accounts` (who
is asking), then `pages/` (one file a subject). Every page names its role; one that names none cannot be declared.
"""
