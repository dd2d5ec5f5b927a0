"""`agejax report`: an evaluation as one HTML page that needs nothing else.

write.py        puts the page together
sections.py     its parts, and tasks.py those of one task; charts.py, groups.py, faces.py,
                card.py and settings.py draw what stands in them
evaluation.py   what a report is made of: what an evaluation wrote, and the run's log
"""
