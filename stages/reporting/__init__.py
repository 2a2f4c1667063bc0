"""plots/report.html: the whole run on one page, and two runs side by side, for someone who started neither."""
