from captioning.markdown import render_markdown


def test_markdown_becomes_html_with_tables():
    html = render_markdown("# Name\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n")
    assert "<h1>Name</h1>" in html
    assert "<td>2</td>" in html


def test_html_in_the_text_is_shown_as_text():
    html = render_markdown("<script>alert(1)</script> and [a link](javascript:alert(1))")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "href" not in html
