// What one side of a connection hears.
#pragma once

#include <naru/coro/task.hpp>

#include <string>
#include <system_error>

namespace naru::testing {

/// All that comes until the end, and how it ended.
struct heard {
    std::string text;
    std::error_code end;
};
template <class Stream>
task<> hear(Stream& from, heard& into) {
    while (true) {
        auto got = co_await from.receive();
        if (!got) {
            into.end = got.error();
            co_return;
        }
        into.text += got->text();
    }
}

}  // namespace naru::testing
