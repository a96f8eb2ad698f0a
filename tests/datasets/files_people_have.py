"""Files as people have them: what programs and spreadsheets of several countries write, each with what is in it.

name: the bytes, the line that says how they are read, the columns, the first row, and how many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class File:
    content: bytes
    said: str
    columns: list[str]
    first: list[str | None]
    rows: int
    name: str = "t.csv"


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


BANK = lines(
    '"Kontonummer:";"DE12345678 / Girokonto";',
    "",
    '"Von:";"01.12.2020";',
    '"Bis:";"31.12.2020";',
    '"Kontostand vom 31.12.2020:";"2.345,67 EUR";',
    "",
    '"Buchungstag";"Auftraggeber / Begünstigter";"Verwendungszweck";"Betrag (EUR)";"Gläubiger-ID";',
    '"30.12.2020";"Stadtwerke München";"Abschlag; Strom, Gas";"-123,45";"DE11";',
    '"29.12.2020";"Müller, Söhne & Co.";"Miete";"-1.050,00";"";',
    '"28.12.2020";"Arbeitgeber";"Gehalt";"3.210,99";"";',
    end="\r\n",
)

FILES: dict[str, File] = {
    "plain": File(b"a,b,y\n1,2.5,u\n3,4.5,v\n", "", ["a", "b", "y"], ["1", "2.5", "u"], 2),
    "CRLF, no end of the last line": File(b"a,b\r\n1,2\r\n3,4", "", ["a", "b"], ["1", "2"], 2),
    "CR, of an old Macintosh": File(b"a;b\r1,5;2\r3,5;4\r", "semicolons, decimal commas", ["a", "b"], ["1,5", "2"], 2),
    "UTF-8 with a mark, spaces": File(
        "\ufeffsepal length (cm), b ,y\n1, x,\n2, y,3.5\n".encode(),
        "",
        ["sepal length (cm)", "b", "y"],
        ["1", "x", None],
        2,
    ),
    "spreadsheet of Germany": File(
        lines("Größe;Gewicht;Straße;Anzahl", "1,85;80,5;Hauptstraße 5;1.200", "1,7;65;Gänsemarkt;3", end="\r\n").encode(
            "cp1252"
        ),
        "semicolons, decimal commas, cp1252",
        ["Größe", "Gewicht", "Straße", "Anzahl"],
        ["1,85", "80,5", "Hauptstraße 5", "1.200"],
        2,
    ),
    "spreadsheet of France": File(
        lines(
            "Département;Prix (€);Surface", "Côte-d’Or;1\u00a0234,50 €;12,5", "Hérault;950,00 €;8", end="\r\n"
        ).encode("cp1252"),
        "semicolons, decimal commas, cp1252",
        ["Département", "Prix (€)", "Surface"],
        ["Côte-d’Or", "1\u00a0234,50 €", "12,5"],
        2,
    ),
    "spreadsheet of Switzerland": File(
        lines("Ort;Preis;Fläche", "Zürich;1'234.50;12.5", "Genève;950.00;8.25", end="\r\n").encode("latin-1"),
        "semicolons, cp1252",
        ["Ort", "Preis", "Fläche"],
        ["Zürich", "1'234.50", "12.5"],
        2,
    ),
    "unicode text of Excel": File(
        lines("Name\tPreis\tAnteil", "Ödön\t1.234,5\t5%", "Zoë\t12,25\t7%", end="\r\n").encode("utf-16"),
        "tabs, decimal commas, utf-16",
        ["Name", "Preis", "Anteil"],
        ["Ödön", "1.234,5", "5%"],
        2,
        "t.txt",
    ),
    "UTF-16 big end first": File(
        b"\xfe\xff" + lines("Name,y", "Ł,1.5", "Ж,2").encode("utf-16-be"), "utf-16", ["Name", "y"], ["Ł", "1.5"], 2
    ),
    "UTF-16 without a mark": File(
        lines("Name,y", "x,1.5", "y,2").encode("utf-16-le"), "utf-16-le", ["Name", "y"], ["x", "1.5"], 2
    ),
    "bank": File(
        BANK.encode("latin-1"),
        "semicolons, decimal commas, cp1252, 4 lines above the header passed over",
        ["Buchungstag", "Auftraggeber / Begünstigter", "Verwendungszweck", "Betrag (EUR)", "Gläubiger-ID"],
        ["30.12.2020", "Stadtwerke München", "Abschlag; Strom, Gas", "-123,45", "DE11"],
        3,
    ),
    "bank, one row": File(
        "\r\n".join(BANK.split("\r\n")[:8]).encode(),
        "semicolons, decimal commas, 4 lines above the header passed over",
        ["Buchungstag", "Auftraggeber / Begünstigter", "Verwendungszweck", "Betrag (EUR)", "Gläubiger-ID"],
        ["30.12.2020", "Stadtwerke München", "Abschlag; Strom, Gas", "-123,45", "DE11"],
        1,
    ),
    "preamble that a spreadsheet filled up": File(
        lines("Report 2024;;;", "Region;North;;", ";;;", "id;a;b;y", "1;0,5;2,25;x", "2;0,75;3,5;z").encode(),
        "semicolons, decimal commas, 3 lines above the header passed over",
        ["id", "a", "b", "y"],
        ["1", "0,5", "2,25", "x"],
        2,
    ),
    "comments above": File(
        lines(
            "# made by sensor 12, firmware 3.4",
            "# calibrated, 2024-01-01",
            "time,value",
            "2024-01-01 00:00,1.5",
            "2024-01-01 01:00,2",
        ).encode(),
        "2 lines above the header passed over",
        ["time", "value"],
        ["2024-01-01 00:00", "1.5"],
        2,
    ),
    "a header behind a hash": File(b"#id\tmass\n1\t2.5\n2\t3\n", "tabs", ["#id", "mass"], ["1", "2.5"], 2, "t.tsv"),
    "separator said as Excel does": File(
        b"sep=;\r\na;b\r\nx, y;1\r\nz, w;2\r\n",
        "semicolons, 1 line above the header passed over",
        ["a", "b"],
        ["x, y", "1"],
        2,
    ),
    "units": File(
        b"time,mass,speed\ns,kg,m/s\n1,2.5,3\n2,3.5,4\n",
        "a line of units left out",
        ["time", "mass", "speed"],
        ["1", "2.5", "3"],
        2,
    ),
    "units in brackets": File(
        lines("Zeit;Druck;Ort", "[h];[hPa];", "1;1013,2;Köln", "2;998,1;Bonn").encode(),
        "semicolons, decimal commas, a line of units left out",
        ["Zeit", "Druck", "Ort"],
        ["1", "1013,2", "Köln"],
        2,
    ),
    "no units: a sign for missing": File(b"a,b,y\n?,?,x\n1,2,z\n3,4,x\n", "", ["a", "b", "y"], ["?", "?", "x"], 3),
    "no units: words": File(b"name,class\nm,s\ng,kg\nl,t\n", "", ["name", "class"], ["m", "s"], 3),
    "pipes": File(
        b"id|text|y\n1|a, b; c|2.5\n2|d, e; f|3\n", "pipes", ["id", "text", "y"], ["1", "a, b; c", "2.5"], 2, "t.txt"
    ),
    "texts full of commas": File(
        lines("text;y", "good, very good, best;1", "bad, worse;0", "so so;1").encode(),
        "semicolons",
        ["text", "y"],
        ["good, very good, best", "1"],
        3,
    ),
    "dates with commas": File(
        lines("day;y", "Monday, 1 January 2024;5", "Tuesday, 2 January 2024;6").encode(),
        "semicolons",
        ["day", "y"],
        ["Monday, 1 January 2024", "5"],
        2,
    ),
    "semicolons within texts": File(b"text,y\na; b; c,1\nd; e; f,0\n", "", ["text", "y"], ["a; b; c", "1"], 2),
    "quotes, separators and lines within": File(
        b'a,b\r\n"x, ""y"";\r\nz",1\r\n"u\nv",2\r\n', "", ["a", "b"], ['x, "y";\r\nz', "1"], 2
    ),
    "spaces before quotes": File(b'a, b\n"x, y", "1"\n"z", "2, 3"\n', "", ["a", "b"], ["x, y", "1"], 2),
    "inches": File(b'size,y\n5" pipe,1\n7" pipe,2\n9 pipe,3\n', "", ["size", "y"], ['5" pipe', "1"], 3),
    "quoted decimal commas": File(b'a,y\n"1,5",3\n"2,25",4\n', "decimal commas", ["a", "y"], ["1,5", "3"], 2),
    "quoted thousands": File(b'a,y\n"1,500",3\n"2,250",4\n', "", ["a", "y"], ["1,500", "3"], 2),
    "one column": File(b"y\n1.5\n2.5\n", "", ["y"], ["1.5"], 2),
    "one column of decimal commas": File(b"y\n1,5\n2,5\n3\n", "one column, decimal commas", ["y"], ["1,5"], 3),
    "one column of words": File(b"word\nalpha\nbeta\n", "", ["word"], ["alpha"], 2),
    "one row": File(b"a;b;c\n1,5;x;2,5\n", "semicolons, decimal commas", ["a", "b", "c"], ["1,5", "x", "2,5"], 1),
    "header names with commas": File(
        b"length, cm;mass, kg\n1,5;2,5\n3,5;4\n",
        "semicolons, decimal commas",
        ["length, cm", "mass, kg"],
        ["1,5", "2,5"],
        2,
    ),
    "separators at the ends": File(b"a;b;\n1;2;\n3;4;\n", "semicolons", ["a", "b"], ["1", "2"], 2),
    "separators at the ends of rows": File(b"a,b\n1,02,\n3,04,\n", "", ["a", "b"], ["1", "02"], 2),
    "empty lines": File(b"\n\na,b\n\n1,2\n\n3,4\n\n\n", "", ["a", "b"], ["1", "2"], 2),
    "index of pandas": File(b",a,y\n17,1,2\n3,4,5\n", "", ["a", "y"], ["1", "2"], 2),
    "row names of R": File(
        b'"","mpg","cyl"\n"Mazda RX4",21,6\n"Fiat 128",32.4,4\n', "", ["mpg", "cyl"], ["21", "6"], 2
    ),
    "years for names": File(
        b"country,2019,2020\nA,1.5,2\nB,3,4\n", "", ["country", "2019", "2020"], ["A", "1.5", "2"], 2
    ),
    "places for names": File(b"0,1,2\n0.5,0.5,7\n0.1,0.2,3\n", "", ["0", "1", "2"], ["0.5", "0.5", "7"], 2),
    "words for missing": File(b"g,y\nNone,1\nNA,2\nnull,3\nnan,4\n", "", ["g", "y"], ["None", "1"], 4),
    "codes": File(b"zip,flag,v\n007,TRUE,1.10\n012,FALSE,2.00\n", "", ["zip", "flag", "v"], ["007", "TRUE", "1.10"], 2),
    "semicolons, decimal points": File(b"a;b\n0.5;x\n1.25;z\n", "semicolons", ["a", "b"], ["0.5", "x"], 2),
    "Polish": File(
        "miasto;cena\nŁódź;1,5\nKraków;2,5\n".encode(),
        "semicolons, decimal commas",
        ["miasto", "cena"],
        ["Łódź", "1,5"],
        2,
    ),
    "thousands in tabs": File(b"a\tb\n1,234\t12\n950\t13\n", "tabs", ["a", "b"], ["1,234", "12"], 2, "t.tsv"),
    "a few lines of one column": File(b"a;b\n;\n1;\n", "semicolons", ["a", "b"], [None, None], 2),
}
