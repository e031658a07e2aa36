#include <naru/sim/host.hpp>

#include <naru/loop/loop.hpp>
#include <naru/sim/addresses.hpp>
#include <naru/sim/backend.hpp>
#include <naru/sim/world.hpp>

#include <utility>

namespace naru::sim {

host::host(world& in, std::string name, const address& where, std::uint64_t number)
    : world_(in), name_(std::move(name)), where_(where), number_(number), disk_(*this) {}

std::string host::at_port(std::uint16_t port) const { return with_port(where_, port).text(); }

std::unique_ptr<naru::backend> host::make_backend(std::size_t pool_buffers) {
    return std::make_unique<backend>(*this, pool_buffers);
}

std::unique_ptr<naru::loop> host::make_loop() {
    return std::make_unique<naru::loop>(make_backend(world_.options().pool_buffers));
}

void host::write_file(const std::string& path, std::string_view content) {
    files_[path] = std::make_shared<stored_file>(
        stored_file{std::string(content), world_.time_of_day(), world_.next_file_number(), true, {}, 0});
}

std::shared_ptr<stored_file> host::find_stored(const std::string& path) const {
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : found->second;
}

std::shared_ptr<std::string> host::find_file(const std::string& path) const {
    const auto found = find_stored(path);
    return found == nullptr ? nullptr : std::shared_ptr<std::string>(found, &found->bytes);
}

bool host::has_directory(const std::string& path) const {
    if (path.empty()) return true;
    const auto first = files_.lower_bound(path + "/");
    return first != files_.end() && first->first.starts_with(path + "/");
}

void host::for_each_beneath(const std::string& directory,
                            const std::function<void(std::string_view, const stored_file&)>& call) const {
    const std::string within = directory + "/";
    for (auto each = files_.lower_bound(within); each != files_.end(); ++each) {
        if (!each->first.starts_with(within)) return;
        call(std::string_view(each->first).substr(within.size()), *each->second);
    }
}

}  // namespace naru::sim
