#include "sim/campaign/questions.hpp"

#include <iterator>

namespace naru::campaign {

namespace {

std::string make_content(std::size_t which) {
    std::string made(file_sizes[which], ' ');
    for (std::size_t at = 0; at < made.size(); ++at)
        made[at] = static_cast<char>('a' + (at * 7 + at / 251 + which) % 26);
    return made;
}

}  // namespace

const std::string& content_of_file(std::size_t which) {
    static const std::string made[] = {make_content(0), make_content(1), make_content(2), make_content(3)};
    return made[which];
}

namespace {

std::string some_body(dice& from) {
    const std::uint64_t sizes[] = {0, 1, 50, 700, 20'000};
    std::string made(from.below(sizes[from.below(std::size(sizes))] + 1), ' ');
    char each = static_cast<char>('a' + from.below(26));
    for (char& to : made)
        to = each = each == 'z' ? 'a' : static_cast<char>(each + 1);
    return made;
}

std::string chunks_of(const std::string& body, std::uint64_t id) {
    std::string made;
    for (std::size_t at = 0; at < body.size();) {
        const std::size_t size = std::min<std::size_t>(body.size() - at, 1 + (id * 31 + at) % 999);
        char digits[17];
        std::size_t count = 0;
        for (std::size_t left = size; left > 0; left /= 16)
            digits[count++] = "0123456789abcdef"[left % 16];
        while (count > 0)
            made += digits[--count];
        made += "\r\n";
        made.append(body, at, size);
        made += "\r\n";
        at += size;
    }
    return made + "0\r\n\r\n";
}

}  // namespace

question draw_question(dice& from, std::uint64_t id) {
    question made;
    made.id = id;
    const std::string name = std::to_string(id);
    const std::uint64_t draw = from.below(100);
    if (draw < 52) {
        made.what = kind::plain;
        made.target = "/n/" + name;
    } else if (draw < 56) {
        made.what = kind::head;
        made.method = "HEAD";
        made.target = "/n/" + name;
    } else if (draw < 60) {
        made.what = kind::late;
        made.target = "/late/" + name + "/" + std::to_string(from.below(2'000));
    } else if (draw < 65) {
        made.what = kind::pieces;
        made.target = "/pieces/" + name + "/" + std::to_string(from.below(12));
    } else if (draw < 80) {
        made.what = draw < 75 ? kind::echo : kind::sum;
        made.method = "POST";
        made.target = (draw < 75 ? "/echo/" : "/sum/") + name;
        made.body = some_body(from);
        made.chunked = from.one_in(2);
    } else if (draw < 84) {
        made.what = kind::work;
        made.target = "/jobs/" + name;
    } else if (draw < 96) {
        const std::size_t which = from.one_in(6) ? 3 : from.below(3);
        made.what = kind::file;
        made.target = "/files/" + std::to_string(which);
        if (which != 0 && from.one_in(2)) {
            made.what = kind::range;
            const std::uint64_t first = from.below(file_sizes[which]);
            made.range = "bytes=" + std::to_string(first) + "-" +
                         std::to_string(from.between(first, file_sizes[which]));
        }
    } else {
        made.what = kind::absent;
        made.target = "/absent/" + name;
    }
    return made;
}

std::string text_of(const question& of) {
    std::string text = of.method + " " + of.target + " HTTP/1.1\r\nHost: server\r\n";
    if (!of.range.empty()) text += "Range: " + of.range + "\r\n";
    if (of.last) text += "Connection: close\r\n";
    if (of.chunked) {
        text += "Transfer-Encoding: chunked\r\n\r\n";
        text += chunks_of(of.body, of.id);
        return text;
    }
    if (of.method == "POST") text += "Content-Length: " + std::to_string(of.body.size()) + "\r\n";
    text += "\r\n";
    return text + of.body;
}

std::string step_of(std::uint64_t id, std::uint64_t each) {
    return std::string(1 + (id * 13 + each * 7) % 900, static_cast<char>('a' + each % 26));
}

reply expected_of(const question& of) {
    const std::string name = std::to_string(of.id);
    switch (of.what) {
        case kind::plain:
            return {200, "n " + name};
        case kind::head:
            return {200, ""};
        case kind::late:
            return {200, "late " + name};
        case kind::pieces: {
            const std::uint64_t count = std::stoull(of.target.substr(of.target.rfind('/') + 1));
            std::string body;
            for (std::uint64_t each = 0; each < count; ++each)
                body += name + ":" + std::to_string(each) + ";";
            return {200, body};
        }
        case kind::echo:
            return {200, name + " " + of.body};
        case kind::sum: {
            std::uint64_t sum = 0;
            for (const char each : of.body)
                sum = sum * 31 + static_cast<unsigned char>(each);
            return {200, name + " " + std::to_string(sum)};
        }
        case kind::work:
            return {200, "worked " + name};
        case kind::file:
            return {200, content_of_file(static_cast<std::size_t>(of.target.back() - '0'))};
        case kind::range: {
            const std::size_t first = std::stoull(of.range.substr(6));
            const std::size_t last = std::stoull(of.range.substr(of.range.find('-') + 1));
            return {206, content_of_file(static_cast<std::size_t>(of.target.back() - '0'))
                             .substr(first, last - first + 1)};
        }
        case kind::steps: {
            const std::uint64_t count = std::stoull(of.target.substr(of.target.rfind('/') + 1));
            std::string body;
            for (std::uint64_t each = 0; each < count; ++each)
                body += step_of(of.id, each);
            return {200, body};
        }
        case kind::absent:
            return {404, "", true};
    }
    return {};
}

bool matches(const reply& got, const reply& expected) {
    return got.status == expected.status && (expected.any_body || got.body == expected.body);
}

}  // namespace naru::campaign
