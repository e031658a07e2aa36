#include <lab/store.hpp>

#include <load/json.hpp>

#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

namespace naru::lab {

store::store(std::string path, const std::string& signature, bool fresh) : path_(std::move(path)) {
    const std::string first = fmt::format("{{\"lab\": {}}}", load::json_text(signature));
    std::string line;
    std::ifstream before(path_);
    if (!fresh && before && std::getline(before, line) && line == first) {
        // A line that was cut off by a power failure is not there.
        while (std::getline(before, line)) {
            if (auto read = parse_sample(line)) earlier_.push_back(std::move(*read));
        }
    }
    // Beside and then in its place: a full disk does not cost what was there.
    const std::string unfinished = path_ + ".new";
    file_.open(unfinished, std::ios::trunc);
    file_ << first << '\n';
    for (const sample& each : earlier_)
        file_ << to_line(each);
    file_.flush();
    if (!file_ || std::rename(unfinished.c_str(), path_.c_str()) != 0)
        throw std::runtime_error(fmt::format("cannot write {}", path_));
}

void store::add(const sample& measured) {
    file_ << to_line(measured) << std::flush;
    if (!file_) throw std::runtime_error(fmt::format("cannot write {}: is the disk full?", path_));
}

}  // namespace naru::lab
