#include <naru/http/handlers/files.hpp>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

std::string root_error(const std::string& root, const std::error_code& error) {
    switch (error.value()) {
        case ENOENT:
            return fmt::format("cannot serve {}: there is no such directory", root);
        case ENOTDIR:
            return fmt::format("cannot serve {}: it is not a directory", root);
        case EACCES:
            return fmt::format("cannot serve {}: it may not be searched by this user", root);
        default:
            return fmt::format("cannot serve {}: {}", root, error.message());
    }
}

}  // namespace

files::files(const std::string& directory, files_options options) {
    for (const content_type& each : options.types) {
        if (!parse_content_type(each.extension + "=" + each.type))
            throw std::runtime_error(fmt::format(
                "cannot serve {}: .{} cannot be {}: want an extension and a type, such as vtt and "
                "text/vtt",
                directory, each.extension, each.type));
    }
    const std::string& fallback = options.fallback;
    if (fallback.starts_with('/') || fallback.ends_with('/') || fallback.find('\0') != std::string::npos)
        throw std::runtime_error(fmt::format(
            "cannot serve {}: the fallback is to be a file beneath it, such as index.html, and not {}",
            directory, fallback));
    auto root = directory_root::open(directory, options.links, options.link_targets);
    if (!root) {
        for (const std::string& each : options.link_targets) {
            const auto target = directory_root::open(each);
            if (!target) throw std::runtime_error(root_error(each, target.error()));
        }
        throw std::runtime_error(root_error(directory, root.error()));
    }
    if (!fallback.empty()) {
        const auto there =
            root->open_beneath(fallback, directory_root::blocking::yes, directory_root::purpose::look);
        if (!there)
            throw std::runtime_error(fmt::format("cannot serve {}: the fallback {} beneath it: {}", directory,
                                                 fallback, there.error().message()));
    }
    source_ = std::make_shared<const files_source>(
        files_source{std::make_shared<const directory_root>(std::move(*root)), std::move(options)});
}

}  // namespace naru::http
