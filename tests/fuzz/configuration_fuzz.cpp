// Files of settings: each is read and can be served by, or is refused with a sentence.
#include "serve_config.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string path = "/dev/shm/naru_configuration_fuzz." + std::to_string(::getpid());
    std::ofstream(path, std::ios::binary) << std::string_view(reinterpret_cast<const char*>(data), size);
    try {
        naru::program::serve_settings settings = naru::program::read_config(path);
        settings.root = "/";  // no file of this machine is looked at
        settings.tls.reset();
        settings.access_log.reset();
        settings.basic_auth.reset();
        (void)naru::program::to_plan(settings);
    } catch (const std::runtime_error& failure) {
        if (std::string_view(failure.what()).empty()) std::abort();
    }
    ::unlink(path.c_str());
    return 0;
}
