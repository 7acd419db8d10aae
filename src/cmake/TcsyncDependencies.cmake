# Every library that tcsync needs; docs/architecture.md says why each.
if(TCSYNC_STATIC_DEPENDENCIES)
  if(TCSYNC_SERVER)
    # Distributions compile RocksDB's archive for programs (-fPIE); its thread-local variables cannot be
    # linked into a shared library.
    message(FATAL_ERROR "TCSYNC_STATIC_DEPENDENCIES=ON is for the library without the server: "
                        "add -DTCSYNC_SERVER=OFF, or have TCSYNC_STATIC_CRYPTO=ON instead, which "
                        "links libsodium and OpenSSL as archives")
  endif()
  # Libraries are found as archives from here on, or not at all.
  set(CMAKE_FIND_LIBRARY_SUFFIXES "${CMAKE_STATIC_LIBRARY_SUFFIX}")
  set(TCSYNC_STATIC_CRYPTO ON)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
if(TCSYNC_STATIC_CRYPTO)
  set(_suffixes "${CMAKE_FIND_LIBRARY_SUFFIXES}")
  set(CMAKE_FIND_LIBRARY_SUFFIXES "${CMAKE_STATIC_LIBRARY_SUFFIX}")
  set(OPENSSL_USE_STATIC_LIBS TRUE)
endif()
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
# By the package that comes with it: CMake has dropped its own module.
find_package(Boost 1.74 REQUIRED CONFIG)
find_package(OpenSSL 1.1.1 REQUIRED)
if(TCSYNC_STATIC_CRYPTO)
  set(CMAKE_FIND_LIBRARY_SUFFIXES "${_suffixes}")
endif()
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
# 3.38 has JSON functions built in.
find_package(SQLite3 3.38 REQUIRED)
if(TCSYNC_SERVER)
  pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb>=7.8)
  if(TCSYNC_POSTGRES)
    # 14 has the pipeline mode.
    pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq>=14)
  endif()
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
  # With the flags of the package: cpp-httplib's macros change the layout of its classes, and so must
  # be those that its library was compiled with.
  pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib>=0.11)
endif()

if(TCSYNC_STATIC_CRYPTO)
  # OpenSSL's archives may need others (zstd, on Debian 13), which CMake names without their paths; the
  # linker would take shared ones.
  foreach(_target OpenSSL::SSL OpenSSL::Crypto)
    get_target_property(_needed ${_target} INTERFACE_LINK_LIBRARIES)
    set(_found "")
    foreach(_library IN LISTS _needed)
      if(_library MATCHES "^[A-Za-z0-9_]+$" AND NOT _library MATCHES "^(dl|m|pthread|NOTFOUND)$")
        find_library(TCSYNC_ARCHIVE_OF_${_library} "lib${_library}.a" REQUIRED)
        set(_library "${TCSYNC_ARCHIVE_OF_${_library}}")
      endif()
      list(APPEND _found "${_library}")
    endforeach()
    if(_needed)
      set_target_properties(${_target} PROPERTIES INTERFACE_LINK_LIBRARIES "${_found}")
    endif()
  endforeach()
endif()

if(TCSYNC_STATIC_DEPENDENCIES)
  # Abseil's package names one kind of library, on Debian the shared ones; the archives are beside
  # them.
  get_property(_imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER _imported INCLUDE REGEX "^absl::")
  foreach(_target IN LISTS _imported)
    get_target_property(_configurations ${_target} IMPORTED_CONFIGURATIONS)
    foreach(_configuration IN LISTS _configurations)
      get_target_property(_location ${_target} IMPORTED_LOCATION_${_configuration})
      if(NOT _location MATCHES "\\.(so|dylib)")
        continue()
      endif()
      string(REGEX REPLACE "\\.(so[.0-9]*|[.0-9]*dylib)$" ".a" _archive "${_location}")
      if(NOT EXISTS "${_archive}")
        message(FATAL_ERROR "TCSYNC_STATIC_DEPENDENCIES=ON needs Abseil as archives: there is no "
                            "${_archive} beside ${_location}")
      endif()
      set_target_properties(${_target} PROPERTIES IMPORTED_LOCATION_${_configuration} "${_archive}")
    endforeach()
  endforeach()
endif()
