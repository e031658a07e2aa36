# An overlay port, which builds the checkout that it is in:
#   vcpkg install naru --overlay-ports=packaging/vcpkg/ports
# Its syntax is tested; it has not been run against vcpkg's registry.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../../.." ABSOLUTE)

vcpkg_cmake_configure(
  SOURCE_PATH ${SOURCE_PATH}
  OPTIONS
    -DNARU_LIBRARIES=${VCPKG_LIBRARY_LINKAGE}
    -DNARU_BUILD_PROGRAM=OFF
    -DNARU_BUILD_EXAMPLES=OFF
    -DNARU_BUILD_TESTS=OFF
    -DNARU_WARNINGS=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/naru)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/debug/include)
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/usage DESTINATION ${CURRENT_PACKAGES_DIR}/share/naru)
