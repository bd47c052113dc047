"""Plans on paper: Word in the official form, the papers of a filing, pocket cards and the pack for when power is gone."""
