// A machine of the simulated world.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/os/address.hpp>
#include <naru/sim/disk.hpp>
#include <naru/sim/socket.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru {
class backend;
class loop;
}  // namespace naru

namespace naru::sim {

class world;

/// Has a name, an IPv4 address beside its loopback ones, ports and files. Made by world::add_host, which owns
/// it.
class host {
 public:
    host(world& in, std::string name, const address& where, std::uint64_t number);
    host(const host&) = delete;
    host& operator=(const host&) = delete;

    const std::string& name() const noexcept { return name_; }
    /// With port 0.
    const address& where() const noexcept { return where_; }
    /// "10.0.0.1:80": where this host is found by the others.
    std::string at_port(std::uint16_t port) const;

    /// A loop on this host. Whoever waits in one loop of the world runs the others meanwhile.
    std::unique_ptr<naru::loop> make_loop();
    std::unique_ptr<naru::backend> make_backend(std::size_t pool_buffers);

    file_system& files() noexcept { return disk_; }
    /// Puts a file on this host's disk, or replaces it; who has the old one open keeps that. Paths are
    /// compared as they are written; what lies beneath a directory has an absolute one.
    void write_file(const std::string& path, std::string_view content);
    void remove_file(const std::string& path) { files_.erase(path); }
    /// nullptr if there is none.
    std::shared_ptr<std::string> find_file(const std::string& path) const;
    std::shared_ptr<stored_file> find_stored(const std::string& path) const;
    /// Whether some file's path goes through `path`, which has no slash at its end. The top is always there.
    bool has_directory(const std::string& path) const;
    /// Those, in the order of their paths, by what follows of them.
    void for_each_beneath(const std::string& directory,
                          const std::function<void(std::string_view below, const stored_file&)>& call) const;

    // Faults.
    /// The power fails. Connections are cut, which peers learn as of a reset; descriptors of before are good
    /// for nothing any more (EIO, EBADF), and no new ones are given out (ENETDOWN) until the host restarts.
    /// Of each file each write that was not synced is lost, or not, as the seed has it; a file that a program
    /// has made and never synced is gone. The programs themselves are their owner's to end: nothing they do
    /// by then has an effect (process, in process.hpp, does all of that).
    void crash();
    void restart();
    bool is_down() const noexcept { return down_; }
    /// Sets the time of day, and not the time that clocks and timers go by.
    void jump_clock(duration by) noexcept;
    duration clock_offset() const noexcept { return clock_offset_; }
    /// Nothing that it takes part in fails by a rate: no reset, refusal or want of anything. What is late, in
    /// pieces or waits is so here, too.
    void spare(bool is_spared = true) noexcept { spared_ = is_spared; }
    bool is_spared() const noexcept { return spared_; }

    world& in() const noexcept { return world_; }
    /// From 1.
    std::uint64_t number() const noexcept { return number_; }

 private:
    friend class network;
    bool lose_unsynced(stored_file& of);

    world& world_;
    std::string name_;
    address where_;
    std::uint64_t number_;
    // Ports are looked up, never gone through: no order depends on where something lies in memory.
    std::map<std::uint16_t, std::vector<std::weak_ptr<socket>>> tcp_ports_;
    std::map<std::uint16_t, std::vector<std::weak_ptr<socket>>> udp_ports_;
    std::uint16_t next_port_ = 49'152;
    disk disk_;
    bool down_ = false;
    bool spared_ = false;
    duration clock_offset_{0};
    std::map<std::string, std::shared_ptr<stored_file>> files_;
};

}  // namespace naru::sim
