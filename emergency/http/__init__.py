"""The foundation of the web side: actor, permissions, unit of work, forms, paging, errors, language."""
