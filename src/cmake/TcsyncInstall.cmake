# What `cmake --install BUILD [--prefix DIR]` installs: the headers, the shared library of the C ABI and
# its archive, the archives of the C++ API, a CMake package, a pkg-config file, and the server with its
# manual page. Everything refers to everything else by relative paths, so that DIR can be chosen at
# installation and the result can be moved. Debug information, which is most of what a build makes,
# stays in the build tree. tests/install embeds an installed copy.
include(CMakePackageConfigHelpers)

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tcsync")

# Headers without whose library they would be of no use are left out.
set(_excluded_headers)
if(NOT TCSYNC_SERVER)
  foreach(_header engine handler http_message httplib_adapter listener storage
          storage_administration access_records device_records client_histories storage_figures
          storage_upkeep)
    list(APPEND _excluded_headers PATTERN "${_header}.h" EXCLUDE)
  endforeach()
endif()
install(FILES "${PROJECT_SOURCE_DIR}/capi/include/tcsync.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tcsync"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" ${_excluded_headers})
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# Two export sets: a C program needs none of the libraries that the static ones are linked with.
get_property(_rooms GLOBAL PROPERTY TCSYNC_ROOMS)
if(TCSYNC_INSTALL_STRIPPED)
  # As `cmake --install --strip` does, for what the rules below install.
  install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)")
endif()
install(TARGETS tcsync EXPORT tcsyncTargets)
install(TARGETS tcsync_static ${_rooms} EXPORT tcsyncCppTargets)
if(TCSYNC_SERVER)
  install(TARGETS tcsync_server)
  install(FILES "${PROJECT_SOURCE_DIR}/docs/man/tcsync-server.8"
          DESTINATION "${CMAKE_INSTALL_MANDIR}/man8")
endif()
if(TCSYNC_INSTALL_STRIPPED AND CMAKE_STRIP)
  # CMake leaves archives alone, because without any symbols nothing could be linked to them.
  set(_archives "")
  foreach(_archive IN ITEMS tcsync_static LISTS _rooms)
    string(APPEND _archives " \"\${_directory}/$<TARGET_FILE_NAME:${_archive}>\"")
  endforeach()
  install(CODE "
    set(_directory \"${CMAKE_INSTALL_LIBDIR}\")
    if(NOT IS_ABSOLUTE \"\${_directory}\")
      string(PREPEND _directory \"\${CMAKE_INSTALL_PREFIX}/\")
    endif()
    string(PREPEND _directory \"\$ENV{DESTDIR}\")
    execute_process(COMMAND \"${CMAKE_STRIP}\" -S${_archives} COMMAND_ERROR_IS_FATAL ANY)")
endif()
foreach(_export tcsyncTargets tcsyncCppTargets)
  install(EXPORT ${_export} NAMESPACE tcsync:: DESTINATION "${_package_dir}")
endforeach()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/tcsyncConfig.cmake.in" "${PROJECT_BINARY_DIR}/tcsyncConfig.cmake"
  INSTALL_DESTINATION "${_package_dir}")
# Before 1.0, a minor release may change the C++ API.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tcsyncConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tcsyncConfig.cmake"
              "${PROJECT_BINARY_DIR}/tcsyncConfigVersion.cmake"
        DESTINATION "${_package_dir}")

set(_pkgconfig_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
foreach(_dir PREFIX FULL_INCLUDEDIR FULL_LIBDIR)
  file(RELATIVE_PATH TCSYNC_PC_${_dir} "${_pkgconfig_dir}" "${CMAKE_INSTALL_${_dir}}")
endforeach()
# For pkg-config --static: the rooms from the top down, and the libraries that they need. These are
# written out, because pkg-config asks for the files of those in Requires.private also without --static.
set(_archive_flags "")
set(_needed libsodium openssl sqlite3 zlib)
set(_top_down ${_rooms})
list(REVERSE _top_down)
foreach(_room IN LISTS _top_down)
  list(APPEND _archive_flags "-l${_room}")
  get_target_property(_linked ${_room} LINK_LIBRARIES)
  list(FILTER _linked INCLUDE REGEX "^absl::")
  list(TRANSFORM _linked REPLACE "::" "_")
  list(APPEND _needed ${_linked})
endforeach()
if(TCSYNC_SERVER)
  # RocksDB's own file does not say with which compressions its archive was built.
  list(APPEND _archive_flags -lrocksdb)
  foreach(_compression snappy lz4 zstd bz2 uring)
    find_library(TCSYNC_ARCHIVE_OF_${_compression} "lib${_compression}.a")
    mark_as_advanced(TCSYNC_ARCHIVE_OF_${_compression})
    if(TCSYNC_ARCHIVE_OF_${_compression})
      list(APPEND _archive_flags "-l${_compression}")
    endif()
  endforeach()
  if(TCSYNC_POSTGRES)
    # libpq's own file also names libraries of which a distribution may have no archives: Debian has
    # none of Kerberos. Programs without an engine need none of them.
    list(APPEND _archive_flags -lpq)
    foreach(_part pgcommon pgport gssapi_krb5 ldap)
      find_library(TCSYNC_ARCHIVE_OF_${_part} "lib${_part}.a")
      mark_as_advanced(TCSYNC_ARCHIVE_OF_${_part})
      if(TCSYNC_ARCHIVE_OF_${_part})
        list(APPEND _archive_flags "-l${_part}")
      endif()
    endforeach()
  endif()
endif()
list(REMOVE_DUPLICATES _needed)
pkg_check_modules(TCSYNC_NEEDED QUIET ${_needed})
list(JOIN _archive_flags " " _archive_flags)
list(JOIN TCSYNC_NEEDED_STATIC_LDFLAGS " " _needed_flags)
set(TCSYNC_PC_LIBS_PRIVATE "${_archive_flags} ${_needed_flags}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/tcsync.pc.in" "${PROJECT_BINARY_DIR}/tcsync.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tcsync.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
