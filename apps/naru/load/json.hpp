// JSON as far as the load generator needs it (RFC 8259): its own reports, written and read back.
#pragma once

#include <load/request.hpp>

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace naru::load {

/// `text` with its quotes and escapes; bytes that are not UTF-8 are left as they are.
std::string json_text(std::string_view text);

class json_value {
 public:
    using array = std::vector<json_value>;
    using object = std::map<std::string, json_value, std::less<>>;

    /// Errors: what is wrong, and at which byte. Nesting deeper than 64 levels is an error.
    static or_words<json_value> parse(std::string_view text);

    /// The member of that name, or the member of a member: "latency_us.service.p99.9". Null if there is none.
    const json_value* find(std::string_view path) const;

    /// The value, or `otherwise` if it is of another type or null.
    double number(double otherwise) const;
    bool truth(bool otherwise) const;
    std::string_view text() const;
    const array& elements() const;

    bool is_object() const { return std::holds_alternative<object>(value_); }
    bool is_number() const { return std::holds_alternative<double>(value_); }

 private:
    friend class json_reader;
    std::variant<std::nullptr_t, bool, double, std::string, array, object> value_ = nullptr;
};

}  // namespace naru::load
