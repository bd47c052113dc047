"""Time as a library: recurrence, working days, deadlines, claiming what is due, the ticker.

Imports the kernel only and knows neither Flask nor emergencies.
"""
