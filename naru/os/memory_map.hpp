// Address space from the system, for the buffer pool.
#pragma once

#include <cstddef>

namespace naru {

/// Reserves zeroed, page-aligned, writable memory that costs nothing until it is touched.
/// Throws std::bad_alloc.
std::byte* map_pages(std::size_t bytes);
void unmap_pages(std::byte* first, std::size_t bytes) noexcept;
/// Takes the memory of whole pages away until they are touched again. What stood in them is lost.
void forget_pages(std::byte* first, std::size_t bytes) noexcept;

}  // namespace naru
