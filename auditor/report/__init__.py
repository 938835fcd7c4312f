"""findings.json and evidence/ -> report.html, report.pdf, junit.xml: pure, no model, no statistics of its own."""
