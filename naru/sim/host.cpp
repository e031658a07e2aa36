#include <naru/sim/host.hpp>

#include <naru/loop/loop.hpp>
#include <naru/sim/addresses.hpp>
#include <naru/sim/backend.hpp>
#include <naru/sim/world.hpp>

#include <utility>

namespace naru::sim {

host::host(world& in, std::string name, const address& where)
    : world_(in), name_(std::move(name)), where_(where) {}

std::string host::at_port(std::uint16_t port) const { return with_port(where_, port).text(); }

std::unique_ptr<naru::backend> host::make_backend(std::size_t pool_buffers) {
    return std::make_unique<backend>(*this, pool_buffers);
}

std::unique_ptr<naru::loop> host::make_loop() {
    return std::make_unique<naru::loop>(make_backend(limits::pool_buffers));
}

void host::write_file(const std::string& path, std::string_view content) {
    files_[path] = std::make_shared<std::string>(content);
}

std::shared_ptr<std::string> host::find_file(const std::string& path) const {
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : found->second;
}

}  // namespace naru::sim
