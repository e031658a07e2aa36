#include "command_table.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

// troff takes a backslash, a leading dot or quote, and a hyphen for something else.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char each : text) {
        if ((each == '.' || each == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
        if (each == '\\')
            out += "\\e";
        else if (each == '-')
            out += "\\-";
        else
            out += each;
    }
    return out;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char each) {
        return each >= 'a' && each <= 'z' ? static_cast<char>(each - 32) : each;
    });
    return text;
}

std::string item(const flag_entry& flag) {
    std::string names;
    for (const std::string& each : flag.names)
        names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", escaped(each));
    if (!flag.value.empty() && flag.names.front().starts_with('-'))
        names += fmt::format(" \\fI{}\\fR", escaped(flag.value));
    return fmt::format(".TP\n{}\n{}\n", names, escaped(flag.description));
}

std::string options_text(const command_entry& entry) {
    std::string out;
    for (const flag_entry& each : entry.positionals)
        out += item(each);
    for (const flag_group& group : entry.groups) {
        if (group.flags.empty()) continue;
        if (!group.title.empty()) out += fmt::format(".SS {}\n", escaped(group.title));
        if (!group.title.empty() && !group.description.empty())
            out += fmt::format("{}.\n", escaped(group.description));
        for (const flag_entry& each : group.flags)
            out += item(each);
    }
    return out;
}

std::string lower_first(std::string text) {
    if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && (text[1] < 'A' || text[1] > 'Z'))
        text[0] = static_cast<char>(text[0] + 32);
    return text;
}

}  // namespace

std::string manual_page(const CLI::App& program, const command_entry& entry, bool whole_program) {
    const std::string name = whole_program ? "naru" : "naru-" + entry.name;
    std::string summary = entry.description;
    if (whole_program && summary.starts_with("naru: ")) summary.erase(0, 6);
    if (summary.ends_with('.')) summary.pop_back();
    std::string page =
        fmt::format(".TH {} 1 \"\" \"naru {}\" \"User Commands\"\n", escaped(upper(name)), NARU_VERSION);
    page += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n", escaped(name), escaped(lower_first(summary)));
    if (whole_program) {
        page += "\\fBnaru\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n";
    } else {
        page += fmt::format("\\fBnaru {}\\fR [\\fIOPTIONS\\fR]", escaped(entry.name));
        for (const flag_entry& each : entry.positionals)
            page += fmt::format(" [\\fI{}\\fR]", escaped(each.names.front()));
        page += "\n";
    }
    const std::vector<command_entry> commands = commands_of(program);
    if (whole_program) {
        page += ".SH COMMANDS\n";
        for (const command_entry& each : commands)
            page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", escaped(each.name), escaped(each.description));
    }
    page += ".SH OPTIONS\n" + options_text(entry);
    if (!entry.footer.empty()) page += fmt::format(".SH SIGNALS\n{}\n", escaped(entry.footer));
    page +=
        ".SH EXIT STATUS\n0: done; 1: it could not be done, and a line says why; 2: the command line is "
        "wrong.\n";
    page += ".SH SEE ALSO\n";
    std::string see = whole_program ? "" : "\\fBnaru\\fR(1)";
    for (const command_entry& each : commands) {
        if (each.name == entry.name) continue;
        see += fmt::format("{}\\fBnaru\\-{}\\fR(1)", see.empty() ? "" : ", ", escaped(each.name));
    }
    return page + see + "\n";
}

}  // namespace naru::program
