// What is handed over to a loop.
#pragma once

namespace naru {

/// Something to run on another loop's thread. Owned by the poster until `run` is called.
struct posted {
    using function = void (*)(posted&) noexcept;
    explicit posted(function on_loop) noexcept : run(on_loop) {}
    posted(const posted&) = delete;
    posted& operator=(const posted&) = delete;

    posted* next = nullptr;
    function run;  ///< the loop's last touch
};

}  // namespace naru
