"""`agejax report`: an evaluation as one HTML page that needs nothing else.

evaluation.py   what a report is made of: what an evaluation wrote, and the run's log
sections.py     the page, section by section; charts.py, groups.py, faces.py, card.py and
                settings.py draw what stands in them
write.py        puts them together
"""
