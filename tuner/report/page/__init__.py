"""The page: the outcome of one study as one self-contained HTML file.

Values in, text out. `data` decides what is said, the modules `charts_*` what is drawn (plain data
first, then Plotly's dictionaries), `mistakes` what the winners get wrong, `render` writes it down.
"""
