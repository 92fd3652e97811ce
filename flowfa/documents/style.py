"""The look of every HTML page that flowfa writes, on the screen and on paper."""

STYLE = """
body { font: 16px/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #111;
  max-width: 68rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.2rem; }
table { border-collapse: collapse; font-size: 0.82rem; font-variant-numeric: tabular-nums; }
table.full { width: 100%; }
th, td { padding: 0.22rem 0.6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #ddd; }
th { border-bottom: 1.5px solid #111; } tr:nth-child(even) td { background: #f6f6f6; }
td, code { overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide th, .wide td, td.number { white-space: nowrap; }
.wide td.prose { white-space: normal; min-width: 14rem; }
caption { text-align: left; font-weight: 600; padding: 0.4rem 0; }
.headline { font-size: 1.1rem; } li, .small { font-size: 0.92rem; }
.note, figcaption { font-size: 0.85rem; color: #444; max-width: 60rem; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
.verdict { white-space: nowrap; font-weight: 600; } .holds { color: #00694a; }
.violated { color: #fff; background: #b00020; padding: 0 0.4em; border-radius: 2px; }
.inconclusive { color: #8a5a00; } .not-applicable { color: #666; font-weight: 400; }
@media print { @page { margin: 16mm 14mm; } body { max-width: none; margin: 0; font-size: 10pt; }
  .wide { overflow: visible; } .wide table { font-size: 6.5pt; }
  .wide th, .wide td { padding: 1pt 3pt; }
  h2 { break-after: avoid; } section.new-page { break-before: page; }
  figure, tr, img, h3 + p { break-inside: avoid; }
  img { max-height: 235mm; object-fit: contain; }
  .violated { outline: 1px solid #b00020;
    print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
"""The style sheet. The rules from ``.verdict`` to ``.not-applicable`` are for verdicts, and those
in ``@media print`` for paper."""
