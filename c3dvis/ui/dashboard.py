"""The script that Streamlit runs for each visitor: page settings and navigation."""

import streamlit as st

from c3dvis.ui.compare import page as compare
from c3dvis.ui.explore import page as explore
from c3dvis.ui.gallery import page as gallery
from c3dvis.ui.index_page import TITLE
from c3dvis.ui.method import page as method
from c3dvis.ui.network import page as network
from c3dvis.ui.probe import page as probe
from c3dvis.ui.shared.account import draw_account
from c3dvis.ui.status import page as status

# Drawn here, since the browser would load a named icon from another host.
ICON = (
    "data:image/svg+xml,"
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Cpath fill='%232f6f8f' d='M4 9l12-6 12 6v14l-12 6-12-6z'/%3E"
    "%3Cpath fill='none' stroke='%23fff' stroke-width='2' d='M4 9l12 6 12-6M16 15v14'/%3E%3C/svg%3E"
)

st.set_page_config(
    page_title=TITLE,
    page_icon=ICON,
    layout="wide",
    initial_sidebar_state=330,
)
PAGES = [
    st.Page(explore.page, title="Explore", icon=":material/visibility:", url_path="explore", default=True),
    st.Page(gallery.page, title="Gallery", icon=":material/grid_view:", url_path="gallery"),
    st.Page(compare.page, title="Compare", icon=":material/compare:", url_path="compare"),
    st.Page(probe.page, title="Probe", icon=":material/movie:", url_path="probe"),
    st.Page(network.page, title="Network", icon=":material/account_tree:", url_path="network"),
    st.Page(status.page, title="Status", icon=":material/monitor_heart:", url_path="status"),
    st.Page(method.page, title="Method", icon=":material/menu_book:", url_path=method.PATH),
]
draw_account()
st.navigation(PAGES, position="hidden" if st.context.is_embedded else "top").run()
