// Text and numbers as the report writes them: nothing gets into the page that has not been through here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace naru::lab {

/// For HTML and SVG, as text and between double quotes. What is not UTF-8, or is not allowed in XML, becomes
/// U+FFFD.
std::string escaped(std::string_view text);

/// A JSON string with its quotes that can stand in a <script> element: no markup can begin in it.
std::string json_string(std::string_view text);

/// A JSON number; null if it is not finite.
std::string json_number(double value);

/// As in tables and beside bars: three digits that count, thousands apart ("12,345", "3.14", "0.0021").
std::string number_text(double value);

/// As on an axis: "20,000", "100k", "2.5M".
std::string tick_text(double value);

/// A power of two as a size: "64", "4 KiB", "1 MiB".
std::string size_text(double bytes);

/// A value of an x axis with that name: sizes where it is of bytes, numbers elsewhere.
std::string place_text(std::string_view axis_name, double x);

/// How wide a text will be at a font size. Fonts differ, so this is generous.
double text_width(std::string_view text, double font_size);

/// Lines of at most `columns` characters, broken at spaces where there are any; the last of `most` ends in an
/// ellipsis if that is not all.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t most);

/// `text` in one line of at most `columns` characters.
std::string shortened(std::string_view text, std::size_t columns);

/// Letters, digits and dashes of `text`, anything else a dash.
std::string id_text(std::string_view text);

}  // namespace naru::lab
