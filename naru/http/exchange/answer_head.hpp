// An answer's head on its way out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace naru::http {

/// Status and fields of an answer, for site::on_head. Not among them: Date, Server, Connection and
/// Transfer-Encoding, which the connection adds.
class answer_head {
 public:
    answer_head(unsigned status, std::string& lines) noexcept : status_(status), lines_(lines) {}

    unsigned status() const noexcept { return status_; }
    /// The first field of that name.
    std::optional<std::string_view> field(std::string_view name) const noexcept;
    /// Puts a field behind the others. False if it cannot be sent (RFC 9110, section 5), or if the head would
    /// get longer than limits::answer_fields_bytes.
    bool add(std::string_view name, std::string_view value);
    /// Removes all fields of that name.
    void remove(std::string_view name) noexcept;
    bool set(std::string_view name, std::string_view value) {
        remove(name);
        return add(name, value);
    }

 private:
    unsigned status_;
    std::string& lines_;
};

/// Whether a name and a value can stand in a head: no control characters, no empty name.
bool is_field(std::string_view name, std::string_view value) noexcept;

}  // namespace naru::http
