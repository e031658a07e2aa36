# Installs the service and its configuration, which name where the program is: known when it is installed. Beneath /usr
# configurations are in /etc. Wants naru_source and naru_bindir.
set(program "${CMAKE_INSTALL_PREFIX}/${naru_bindir}/naru")
set(etc "${CMAKE_INSTALL_PREFIX}/etc")
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(etc /etc)
endif()
set(configurations "${etc}/naru")
file(READ "${naru_source}/packaging/naru.service.in" unit)
string(CONFIGURE "${unit}" unit @ONLY)
set(service "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system/naru.service")
message(STATUS "Installing: ${service}")
file(WRITE "${service}" "${unit}")
file(CHMOD "${service}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/naru.service")
file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/lib/systemd/system" TYPE FILE FILES "${naru_source}/packaging/naru.socket")
# What somebody has changed stays.
if(NOT EXISTS "$ENV{DESTDIR}${configurations}/naru.toml")
  file(INSTALL DESTINATION "${configurations}" TYPE FILE FILES "${naru_source}/packaging/naru.toml")
endif()
# Read by logrotate, and run by certbot after a renewal.
if(NOT EXISTS "$ENV{DESTDIR}${etc}/logrotate.d/naru")
  file(INSTALL DESTINATION "${etc}/logrotate.d" TYPE FILE RENAME naru FILES "${naru_source}/packaging/naru.logrotate")
endif()
if(NOT EXISTS "$ENV{DESTDIR}${etc}/letsencrypt/renewal-hooks/deploy/naru")
  file(INSTALL DESTINATION "${etc}/letsencrypt/renewal-hooks/deploy" TYPE PROGRAM RENAME naru
    FILES "${naru_source}/packaging/naru.certbot-hook")
endif()
