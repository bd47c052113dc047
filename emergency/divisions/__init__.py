"""The district: its tree of divisions, and the units (schools, care homes, plants …) that stand in it."""
