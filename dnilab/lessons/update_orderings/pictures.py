"""The numbers under which the Red Box and the Blue Box were published, for three modules."""

RED_BOX = {
    ("forward_update", 1): "1",
    ("forward_update", 2): "2",
    ("fit", 1): "3",
    ("forward_update", 3): "4",
    ("fit", 2): "5",
}
BLUE_BOX = {
    ("forward_update", 1): "I",
    ("forward_update", 2): "II",
    ("forward_update", 3): "III",
    ("fit", 1): "III",
    ("fit", 2): "IV",
}
