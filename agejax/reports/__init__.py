"""`agejax report`: an evaluation as a single, self-contained HTML page.

write.py        assembles the page
sections.py     its sections; tasks.py has those of one task; charts.py, groups.py, faces.py,
                card.py and settings.py draw their contents
evaluation.py   loads the report's inputs: the files of an evaluation and the run's log
"""
