#ifndef _WIN32  // where links are refused

#include <naru/os/link_follower.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <filesystem>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

namespace naru {

namespace {

// Component by component, each without following it: where links lead is decided here, and no way, with or
// without "..", ever leaves the root and its targets.
class link_follower {
 public:
    link_follower(const file_system::root& of, file_system::purpose what_for) noexcept
        : root_(of), base_(&of), what_for_(what_for) {}

    result<unique_descriptor> open(const std::string& path) {
        ends_in_slash_ = path.empty() || path.back() == '/';
        put_in_front(path);
        while (!left_.empty()) {
            const std::string name = std::move(left_.back());
            left_.pop_back();
            if (name == "..") {
                if (!go_up()) return fail_errno(EXDEV);
                continue;
            }
            auto opened = step(name);
            if (!opened || *opened) return opened;
        }
        unique_descriptor here(::openat(directory(), ".", flags_for(what_for_) | O_DIRECTORY));
        if (!here) return fail_errno(errno);
        return here;
    }

 private:
    int directory() const noexcept { return walked_.empty() ? base_->directory.get() : walked_.back().get(); }

    /// Before what is left.
    void put_in_front(std::string_view path) {
        std::vector<std::string> components;
        while (!path.empty()) {
            const std::size_t slash = path.find('/');
            const std::string_view component = path.substr(0, slash);
            if (!component.empty() && component != ".") components.emplace_back(component);
            path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        }
        left_.insert(left_.end(), components.rbegin(), components.rend());
    }

    bool go_up() {
        if (walked_.empty()) return rebase(base_->real_path + "/..");
        walked_.pop_back();
        return true;
    }

    /// The file, if this was the last step; no descriptor: there are more.
    result<unique_descriptor> step(const std::string& name) {
        char target[PATH_MAX];
        const ssize_t size = ::readlinkat(directory(), name.c_str(), target, sizeof target);
        if (size >= 0) {
            const bool whole = static_cast<std::size_t>(size) < sizeof target;
            if (!whole || ++links_ > file_system::most_links) return fail_errno(whole ? ELOOP : ENAMETOOLONG);
            if (!lead_to({target, static_cast<std::size_t>(size)})) return fail_errno(EXDEV);
            return unique_descriptor();
        }
        if (errno != EINVAL) return fail_errno(errno);
        const bool is_last = left_.empty();
        const int kind = !is_last || ends_in_slash_ ? O_DIRECTORY : 0;
        unique_descriptor next(::openat(directory(), name.c_str(),
                                        (is_last ? flags_for(what_for_) : look_flags) | O_NOFOLLOW | kind));
        if (!next) return fail_errno(errno == ELOOP ? EXDEV : errno);  // it has just become a link
        if (is_last) {
            struct stat raw{};  // which O_PATH opens as itself
            if (fstat(next.get(), &raw) != 0) return fail_errno(errno);
            if (S_ISLNK(raw.st_mode)) return fail_errno(EXDEV);
            return next;
        }
        walked_.push_back(std::move(next));
        return unique_descriptor();
    }

    bool lead_to(std::string_view target) {
        if (target.starts_with('/')) return rebase(std::string(target));
        put_in_front(target);
        return true;
    }

    /// Goes on where an absolute path (with what is left behind it) is beneath the root, or a target.
    bool rebase(std::string path) {
        while (!left_.empty()) {
            path.append("/").append(left_.back());
            left_.pop_back();
        }
        path = std::filesystem::path(path).lexically_normal().string();
        if (takes(root_, path)) return true;
        return root_.targets && std::ranges::any_of(*root_.targets, [&](const file_system::root& each) {
                   return takes(each, path);
               });
    }

    bool takes(const file_system::root& candidate, std::string_view path) {
        for (const std::string& name : {candidate.real_path, candidate.path}) {
            std::string prefix = std::filesystem::path(name).lexically_normal().string();
            while (prefix.ends_with('/'))
                prefix.pop_back();
            const bool is_beneath = !name.empty() && path.starts_with(prefix) &&
                                    (path.size() == prefix.size() || path[prefix.size()] == '/');
            if (!is_beneath) continue;
            base_ = &candidate;
            walked_.clear();
            put_in_front(path.substr(prefix.size()));
            return true;
        }
        return false;
    }

    const file_system::root& root_;
    const file_system::root* base_;  // it, or one of its targets
    file_system::purpose what_for_;
    bool ends_in_slash_ = false;
    unsigned links_ = 0;
    std::vector<unique_descriptor> walked_;  // from the base on
    std::vector<std::string> left_;          // the next at the back
};

}  // namespace

bool leads_out_by_itself(const std::string& path) noexcept {
    if (path.starts_with('/')) return true;
    for (std::size_t at = path.find(".."); at != std::string::npos; at = path.find("..", at + 2)) {
        const bool begins = at == 0 || path[at - 1] == '/';
        const bool ends = at + 2 == path.size() || path[at + 2] == '/';
        if (begins && ends) return true;
    }
    return false;
}

result<unique_descriptor> open_following_links(const file_system::root& of, const std::string& path,
                                               file_system::purpose what_for) noexcept try {
    if (leads_out_by_itself(path)) return fail_errno(EXDEV);
    return link_follower(of, what_for).open(path);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

// Component by component: what can be had without openat2.
result<unique_descriptor> open_without_links(const file_system::root& of, const std::string& path,
                                             file_system::purpose what_for) noexcept {
    const int from = of.directory.get();
    unique_descriptor at;
    std::string_view left(path);
    do {
        const std::size_t slash = left.find('/');
        const std::string_view component = left.substr(0, slash);
        left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
        if (component == "..") return fail_errno(EXDEV);
        char name[256] = ".";
        if (component.size() >= sizeof name) return fail_errno(ENAMETOOLONG);
        component.copy(name, component.size());
        const int flags = (left.empty() ? flags_for(what_for) : look_flags) | O_NOFOLLOW |
                          (slash != std::string_view::npos ? O_DIRECTORY : 0);
        const int next = ::openat(at ? at.get() : from, name, flags);
        if (next < 0) return fail_errno(errno == ELOOP ? EXDEV : errno);
        at.reset(next);
    } while (!left.empty());
    if (what_for == file_system::purpose::look) {  // O_PATH opens a link as itself
        struct stat raw{};
        if (fstat(at.get(), &raw) != 0) return fail_errno(errno);
        if (S_ISLNK(raw.st_mode)) return fail_errno(EXDEV);
    }
    return at;
}

}  // namespace naru

#endif
