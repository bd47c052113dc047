"""The shell: layout, workbench, search, map, language, errors, health. `install(app)` gives an app all of it."""

from __future__ import annotations

import flask


def install(app: flask.Flask) -> None:
    """Filters, template functions, the frame of every page, security headers, and the shell's own pages."""
    from emergency.web import (
        figures,
        filters,
        nav,
        ops,
        panels,
        responses,
        security,
        shell,
        templating,
        views,
        workbench,
    )

    filters.install(app)
    templating.install(app)
    shell.install(app)
    security.install(app)
    for waiting in (*panels.WAITING, responses.waiting):
        workbench.register_waiting(waiting)
    for day in (responses.panel, *panels.DAY):
        workbench.register_day_panel(day)
    for figure in figures.FIGURES:
        workbench.register_figure(figure)
    for key, count in panels.COUNTS.items():
        nav.register_count(key, count)
    workbench.register_first_run(figures.first_run)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(ops.blueprint)
