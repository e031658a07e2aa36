// Where something stands in a configuration, and what is wrong with it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::program {

/// A line of a file; line 0: the file as a whole.
struct config_place {
    std::string file;
    unsigned line = 0;

    std::string text() const { return line == 0 ? file : fmt::format("{}:{}", file, line); }
};

/// In the order of the files in which they were found, and of their lines.
class complaints {
 public:
    /// `where` without a file: `what` says it itself.
    void add(const config_place& where, std::string_view what) {
        const auto file = std::ranges::find(files_, where.file);
        const auto number = static_cast<std::size_t>(file - files_.begin());
        if (file == files_.end()) files_.push_back(where.file);
        const auto order = std::pair(number, where.line);
        const auto place = std::ranges::upper_bound(all_, order, {}, &entry::order);
        all_.insert(place, {order, where.file.empty() ? std::string(what)
                                                      : fmt::format("{}: {}", where.text(), what)});
    }
    bool empty() const noexcept { return all_.empty(); }
    /// "FILE:LINE: what is wrong"
    std::vector<std::string> lines() const {
        std::vector<std::string> texts;
        for (const entry& each : all_)
            texts.push_back(each.text);
        return texts;
    }

 private:
    struct entry {
        std::pair<std::size_t, unsigned> order;
        std::string text;
    };
    std::vector<std::string> files_;
    std::vector<entry> all_;
};

/// Says its place itself.
struct located_fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A fault that is the only one to be told. Throws located_fault, or std::runtime_error without a place.
[[noreturn]] inline void complain(const config_place& where, std::string_view what) {
    if (where.file.empty()) throw std::runtime_error(std::string(what));
    complaints one;
    one.add(where, what);
    throw located_fault(one.lines().front());
}

}  // namespace naru::program
