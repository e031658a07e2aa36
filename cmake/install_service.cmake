# Installs the service and its configuration, which name where the program is: known when it is installed. Beneath /usr
# configurations are in /etc. Wants naru_source and naru_bindir.
set(program "${CMAKE_INSTALL_PREFIX}/${naru_bindir}/naru")
set(configurations "${CMAKE_INSTALL_PREFIX}/etc/naru")
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(configurations /etc/naru)
endif()
file(READ "${naru_source}/packaging/naru.service.in" unit)
string(CONFIGURE "${unit}" unit @ONLY)
set(service "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system/naru.service")
message(STATUS "Installing: ${service}")
file(WRITE "${service}" "${unit}")
file(CHMOD "${service}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/naru.service")
# What somebody has changed stays.
if(NOT EXISTS "$ENV{DESTDIR}${configurations}/naru.toml")
  file(INSTALL DESTINATION "${configurations}" TYPE FILE FILES "${naru_source}/packaging/naru.toml")
endif()
