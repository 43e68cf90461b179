"""The page: a public shell that asks for a token and draws the figures that it fetches with it."""

from typing import Final

import plotly

from shared.web.site import File, Site

PACKAGE: Final = "services.reporting"
CSS: Final = "text/css"
JS: Final = "text/javascript"

router = Site(
    "",
    File(PACKAGE, "pages/report.html", "text/html"),
    {
        "asking.js": File("shared.web", "pages/asking.js", JS),
        "report.css": File(PACKAGE, "pages/report.css", CSS),
        "figures.js": File(PACKAGE, "pages/figures.js", JS),
        "plots.js": File(PACKAGE, "pages/plots.js", JS),
        "report.js": File(PACKAGE, "pages/report.js", JS),
        "plotly.min.js": File("plotly", "package_data/plotly.min.js", JS, plotly.__version__),
    },
).router()
