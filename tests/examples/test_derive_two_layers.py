"""The example that lays the derivation beside the formulas by hand."""

import derive_two_layers


def test_every_line_of_the_backward_pass_has_its_counterpart(capsys):
    text = derive_two_layers.main()
    assert capsys.readouterr().out.strip() == text
    rows = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    for name in ("Z1", "A1", "cost", "dA2", "dZ1", "dW1", "db1", "dA1", "dW2", "db2"):
        derived, by_hand = rows[name].split("  ", 1)
        assert derived and by_hand.strip(), name
    assert "dZ @ A_prev.T / m" in rows["dW2"] and "dZ2 @ A1.T" in rows["dW2"]
    worst = float(text.rsplit(" ", 1)[1])
    assert worst < 1e-15
