"""The server of the dashboard, started with `streamlit run app.py`; the page itself is `c3dvis/ui/dashboard.py`."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from c3dvis.access.gate import gate
from c3dvis.ui.index_page import IndexPage
from c3dvis.ui.monitoring import monitoring_routes, start_monitoring

start_monitoring()
app = st.App(
    Path(__file__).parent / "c3dvis" / "ui" / "dashboard.py",
    routes=monitoring_routes(),
    middleware=[*gate(), Middleware(IndexPage)],
)
