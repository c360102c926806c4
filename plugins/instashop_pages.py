"""What InstaShop adds to Airflow's pages: the dashboard in the navigation, and links from tasks."""

from airflow.plugins_manager import AirflowPlugin

from instashop.settings import read
from instashop_services import DashboardLink
from instashop_spark import SparkLink

_settings = read()  # Not `load`: Airflow's tasks are forks of what imports this, and would keep its settings.
_SPARK = {"name": "Spark", "href": f"{_settings.page(_settings.spark_ui_port)}/", "url_route": "instashop-spark", "destination": "nav"}


class InstaShopPages(AirflowPlugin):
    """The dashboard as a page of Airflow, and links from a service's task to the dashboard and Spark's page."""

    name = "instashop_pages"
    external_views = [
        {"name": "Dashboard", "href": f"{_settings.page(_settings.dashboard_port)}/", "url_route": "instashop-dashboard", "destination": "nav"},
        *([_SPARK] if _settings.spark_pages and _settings.runs_here("spark_master") else []),
    ]
    operator_extra_links = [DashboardLink(), SparkLink()]
