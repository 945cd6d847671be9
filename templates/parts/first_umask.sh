<#
# Sets: first_umask
#>
# Sets first_umask to the umask that the script was started with, for the vendor's command.
# check_services_instance changes it.
record_umask() {
  first_umask=$(umask)
}
